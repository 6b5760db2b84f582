"""Reader of params.yaml."""

import random
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import ganaug
from ganaug import config
from ganaug.data.digits import Digits
from ganaug.data.splits import Items
from ganaug.stages.split import gan_settings
from ganaug.start.dvc import dvc_yaml

from .mutations import as_json, changed, damaged, deep
from .reader import Reader, Wrong

# Every group and nearly every key, so that each gets a wrong value at times.
_EVERYTHING = """
data: {source: {kind: table, path: photos.csv, file: file, label: label, split: split, group: null}, image_size: 16,
  channels: rgb, aspect: crop, background: "#ff8000", on_broken: skip, unlabelled: more, licence: x}
protocol: {kind: cv, folds: 3, repeats: 2, seed: 1}
gan: {preset: default, steps: 10, objective: {kind: hinge}, regularisers: [{kind: r1, gamma: 1.0, every: 4}],
  z_dim: 8, latents: {kind: codes, blend: 0.3}, ada: {}, ramp: {begin: 0.1, end: 0.4}, unlabelled: true, held_out: 0.2,
  select: gan-train, init_from: models/x.safetensors, precision: float32, ema_half_life_images: 100}
synth: {per_class: 10, balance: fill, seed: 3, filters: [{kind: agreement, keep: 0.5}, {kind: copies, percentile: 2}]}
classifier: {model: resnet18, weights: null, steps: 10, batch_size: 8, lr: 0.001, weight_decay: 0.1,
  label_smoothing: 0.1}
classify: {arms: [none, gan, pseudo, smote+cutmix, oversample], classical: {kind: trivial-augment},
  mix: {share: 0.3}, mixes: {gan: {share: 0.5}}, pseudo: {}, repeats: 2, curve: [1.5]}
fidelity: {enabled: true, encoder: {kind: torchvision, name: resnet18, weights: DEFAULT, path: w.pth, image_size: 64}}
report: {primary_metric: macro_f1, confidence: 0.9}
gate: [{gain: gan_vs_none, above: 0.0, metric: accuracy}]
device: cpu
jobs: 1
"""

# What YAML takes for something else than it looks, and what is no YAML.
_TOKENS = [
    ".nan", ".inf", "-.inf", "1e400", "-1e400", "9" * 30, "9" * 5000, "0x" + "f" * 4000, "1_000", "0o777", "012",
    "1:30:00", "2024-01-01", "2024-01-01T00:00:00Z", "!!binary aGVsbG8=", "!!set {a, b}", "!!omap [a: 1]",
    "!!python/object/apply:os.system ['touch $GANAUG_FAULTS_MARK']", "!!python/name:os.system", "!x y", "!!int x",
    "!!float x", "!!timestamp x", "!!bool x", "!!null x", "&a [*a]", "&a {b: *a}", "*nope", "<<: *nope", "<<: {a: 1}",
    "<<: 5", "{? [a]: b}", "{? {a: 1}: b}", "? [1, 2]\n: 3", '"\\ud800"', '"\\x00"', "'", '"', "[", "{", "]", "\t",
    "\ufeff", "\0", "\x85", "\u2028", "%YAML 1.1", "%YAML 9.9\n---", "%TAG ! x", "---", "...", "--- 5", "|", ">", "|9",
    "@x", "`x", "key: key: key", "a: 1\na: 2", "data: 5", "gan: 5", "gan: []", "gan: {preset: 5}", "gan: {preset: [a]}",
    "gan: {preset: {a: 1}}", "protocol: {kind: [a]}", "protocol: {kind: {a: 1}}", "null", "~", "true", "yes", "''", "x",
    "-1", "0", "0.5", "1e9", "[1, 2]", "{a: 1}", "{kind: digits}", "{kind: idx}", "{kind: []}",
]  # fmt: skip

_SPELLING = ((b"NaN", b".nan"), (b"-Infinity", b"-.inf"), (b"Infinity", b".inf"))  # in JSON and in YAML
_MOST_TRIALS = 10**6  # a run of more would never end


def _long_token(rng: random.Random) -> str:
    """What takes a parser long, or much memory."""
    rows = rng.choice([4, 5, 6])
    laughs = [f"x{row}: &a{row} [{', '.join([f'*a{row - 1}'] * 8)}]" for row in range(1, rows)]
    return rng.choice(
        [
            deep(rng).decode(),
            "\n".join(f"{'  ' * level}k:" for level in range(rng.choice([30, 300, 1200]))),
            "\n".join(["x: &a0 [x, x]", *laughs]),
            "k" * 200_000 + ": 1",
            "# " + "c" * 100_000,
            "[" + ",".join(["1"] * 20_000) + "]",
            chr(rng.randrange(1, 0x10000)) * rng.randint(1, 5),
        ]
    )


class Params(Reader):
    """params.yaml -> settings, the pipeline's text and the splits of the digits."""

    name = "params"

    def __init__(self, home: Path, base: Path) -> None:
        super().__init__(home, base)
        templates = Path(ganaug.__file__).parent / "templates"
        files = [base / "params.yaml", templates / "digits.yaml", templates / "fashion-mnist.yaml"]
        self.texts = [file.read_text(encoding="utf-8") for file in files] + [_EVERYTHING]
        self.trees = [YAML(typ="safe", pure=True).load(text) for text in self.texts]
        for tree in self.trees:
            config.check(tree)  # each is sound
        found = Digits().load()
        hashes = [str(row) for row in range(len(found.files))]  # all of them are different
        self.items = Items(found.labels, hashes, found.official_test, found.classes)

    def whole(self) -> bytes:
        return self.texts[0].encode()

    def make(self, rng: random.Random) -> bytes:
        way = rng.random()
        if way < 0.45:
            data = as_json(changed(rng, rng.choice(self.trees), rng.choice([1, 1, 3])))
            for json_word, yaml_word in _SPELLING:
                data = data.replace(b" " + json_word, b" " + yaml_word)
            return data
        text = rng.choice(self.texts)
        if way < 0.65:
            return damaged(rng, text.encode(), rng.choice([1, 3]))
        lines = text.split("\n")
        at, token = rng.randrange(len(lines)), rng.choice(_TOKENS) if rng.random() < 0.9 else _long_token(rng)
        if rng.random() < 0.6 and ":" in lines[at]:
            lines[at] = f"{lines[at].split(':')[0]}: {token}"
        elif rng.random() < 0.5:
            lines.insert(at, token)
        else:
            lines[at:at] = [lines[at], rng.choice(lines)]
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    def read(self, made: bytes) -> None:
        path = Path("params.yaml")
        path.write_bytes(made)
        settings = config.load(path)
        plain: Any = config.plain(settings)
        if config.plain(config.check(plain)) != plain:
            raise Wrong("the settings written out are read as others")
        if settings.protocol.trials > _MOST_TRIALS:
            raise Wrong(f"accepts more than {_MOST_TRIALS:,} trials")
        dvc_yaml(settings)
        if settings.protocol.kind == "subsets" and settings.protocol.trials < 1000:
            settings.protocol.splits(self.items)
        gan_settings(settings)
        settings.synth.counts({"a": 3, "b": 5})
