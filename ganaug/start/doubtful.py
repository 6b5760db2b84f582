"""A quick look at the labels of a new set: the surest of what ``ganaug check`` finds, in a part of its time."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from ganaug import device
from ganaug.classify.mislabelled import FOLDS, doubts
from ganaug.config import Settings
from ganaug.data.survey import Survey
from ganaug.errors import one_line
from ganaug.stages.cross_fit import cross_fitted, learner
from ganaug.start.estimate import Pace

SHARE = 0.05  # of a run's minutes that a look may take
_SAID = 5


def look(seen: Survey, settings: Settings, pace: Pace, minutes: float) -> str:
    """Which labels of the set, that was ``seen``, look most wrong to classifiers of ``settings`` with a third of the
    steps, each of which learned other folds.

    "" where that takes more than a twentieth of ``minutes`` at this ``pace``, a class has fewer than three images, or
    cleanlab is not installed.
    """
    items, found = seen.data.items(), seen.data.found
    spec = replace(settings.classifier, steps=-(-settings.classifier.steps // 3))
    seconds = FOLDS * spec.steps * pace.classifier_steps["classical"]
    if seconds > SHARE * 60 * minutes or min(items.parts().values()) < 3 or not find_spec("cleanlab"):
        return ""
    from ganaug.classify.fitting import probabilities

    where, said = device.resolve("auto"), np.zeros((len(found.labels), len(found.classes)))
    learn = learner(seen.images, found.labels, replace(settings, classifier=spec), where)
    for model, _, held in cross_fitted(items, learn, 0, "labels", repeats=1):
        said[held] = probabilities(model, seen.images[held], where)
    found_odd = doubts(said, found.labels)
    count = int(found_odd.flagged.sum())
    if not count:
        return "at a quick look no label seems wrong"
    surest = np.flatnonzero(found_odd.flagged)[np.argsort(-found_odd.score[found_odd.flagged], kind="stable")]
    rows = [
        f"  {one_line(found.files[row])}: {found.classes[found.labels[row]]}, but looks like "
        f"{found.classes[found_odd.suggested[row]]}"
        for row in surest[:_SAID].tolist()
    ]
    return "\n".join([f"at a quick look {count:,} label{'s' * (count > 1)} may be wrong, the surest first:", *rows])
