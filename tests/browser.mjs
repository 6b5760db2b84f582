// The checks of browser.py: node browser.mjs PAGE CHROMIUM NODE_MODULES SCREENSHOTS
const [, , page, executablePath, modules, shots] = process.argv;
const { chromium } = await import(`${modules}/playwright-core/index.mjs`);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

let failed = 0;
const check = (title, wrong) => {
  failed += wrong.length > 0;
  console.log(`${wrong.length ? "FAIL" : "ok  "}  ${title}${wrong.map((one) => `\n      ${one}`).join("")}`);
};

// What is reached by Tab from the top, each as its text or tag, and those that do not show that they have the focus.
const walk = async (tab) => {
  const [reached, unseen] = [new Set(), []];
  for (;;) {
    await tab.keyboard.press("Tab");
    const one = await tab.evaluate(() => {
      const here = document.activeElement;
      if (!here || here === document.body || here.dataset.walked) return null;
      here.dataset.walked = true;
      const shows = getComputedStyle(here).outlineStyle !== "none";
      return { tag: here.tagName.toLowerCase(), text: (here.ariaLabel || here.textContent).trim().slice(0, 40), shows };
    });
    if (!one) return { reached, unseen };
    reached.add(one);
    if (!one.shows) unseen.push(`${one.tag}: ${one.text}`);
  }
};

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of [[1280, 900], [800, 900], [390, 844]]) {
    const tab = await browser.newPage({ viewport: { width, height }, colorScheme });
    const where = `${width} ${colorScheme}:`;
    await tab.goto(page);
    await tab.screenshot({ path: `${shots}/${width}-${colorScheme}.png` });

    const sizes = await tab.evaluate(() => ({ page: document.scrollingElement.scrollWidth, window: innerWidth }));
    check(`${where} no sideways scrolling`, sizes.page > sizes.window ? [`${sizes.page} > ${sizes.window} pixels`] : []);

    const below = await tab.evaluate(() =>
      ["h1", ".card svg.interval", ".card ol li"].filter((part) => {
        const box = document.querySelector(part)?.getBoundingClientRect();
        return !box || box.bottom > innerHeight || box.right > innerWidth;
      }));
    check(`${where} the answer, its gain and the next step are on the first screen`, below);

    const { unseen } = await walk(tab);
    check(`${where} the focus is seen`, unseen);
    const missed = await tab.evaluate(() =>
      [...document.querySelectorAll("button, summary, input, a[href]")]
        .filter((one) => one.checkVisibility() && !one.dataset.walked && !one.closest("details:not([open]) > :not(summary)"))
        .map((one) => one.outerHTML.slice(0, 80)));
    check(`${where} all that is clicked is reached by Tab`, missed);

    await tab.locator(".enlarge").first().focus();
    await tab.keyboard.press("Enter");
    const opened = await tab.evaluate(() => document.querySelector("dialog").open);
    await tab.keyboard.press("Escape");
    const after = await tab.evaluate(() => [document.querySelector("dialog").open, document.activeElement.className]);
    check(`${where} Enter enlarges a plot, Escape puts it away`,
      opened && !after[0] && after[1] === "enlarge" ? [] : [JSON.stringify([opened, after])]);

    await tab.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    const levels = await tab.evaluate(() => [...document.querySelectorAll("h1, h2, h3, h4")].map((one) => +one.tagName[1]));
    const jumps = levels.filter((level, at) => (at ? level > levels[at - 1] + 1 : level !== 1));
    check(`${where} headings in order`, jumps.map((level) => `h${level}`));

    await tab.addScriptTag({ path: `${modules}/axe-core/axe.min.js` });
    const { violations } = await tab.evaluate(() => axe.run());
    const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    check(`${where} axe-core: no serious violation (${violations.length - grave.length} lesser)`,
      grave.map((one) => `${one.id} (${one.nodes.length}): ${one.help}; ${one.nodes[0].html.slice(0, 160)}`));
    for (const one of violations) if (!grave.includes(one)) console.log(`      lesser: ${one.id}: ${one.help}`);
    await tab.screenshot({ path: `${shots}/${width}-${colorScheme}-whole.png`, fullPage: true });
    await tab.close();
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
