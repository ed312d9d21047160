"""Cue recall: lines fire as they are said to, and trials that cannot be are refused."""

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.learn.data import DataTable, RecallTable, cue_recall, load_dataset, make_dataset

TABLE = RecallTable(cues=3, lines=2, cue=4, go=3, rate=0.6, noise=0.1, train=2_000, test=500)
STEPS = 12


def test_lines_fire_as_often_as_they_are_said_to():
    data = cue_recall(STEPS, TABLE)
    assert data.classes == 3
    assert data.shape == (8,)
    spikes, labels = data.train.inputs().view(-1, STEPS, 4, 2), data.train.labels
    for cue in range(3):
        rates = spikes[labels == cue].mean((0, 3))  # [steps, groups]
        wanted = torch.full((STEPS, 4), 0.1)
        wanted[:4, cue] = wanted[-3:, 3] = 0.6
        # five standard deviations of the mean of some 1 300 draws
        assert (rates - wanted).abs().max() < 5 * 0.5 / (2 * int((labels == cue).sum())) ** 0.5
    assert labels.bincount().min() > 600


def test_trials_are_the_same_at_each_call_and_others_of_another_seed():
    one, again = (cue_recall(STEPS, TABLE) for _ in range(2))
    other = cue_recall(STEPS, TABLE.model_copy(update={"seed": 1}))
    assert torch.equal(one.test.stored, again.test.stored)
    assert not torch.equal(one.test.stored, other.test.stored)
    assert one.train.stored.dtype == torch.uint8


def test_recall_is_chosen_in_a_study_whose_steps_are_its_length():
    study = make_study(data={"name": "cue-recall", "recall": {"cues": 2, "train": 5, "test": 3}}, steps=30)
    assert load_dataset(study.data, bins=30).train.stored.shape == (5, 30, 15)
    assert make_study(**study.model_dump(exclude_none=True)) == study
    assert load_dataset("cue-recall", bins=21).classes == 4


@pytest.mark.parametrize(
    ("steps", "entries", "words"),
    [
        (20, {}, "no delay between a cue of 10 and a go signal of 10; allowed: at least 21 steps"),
        (
            40,
            {"targets": "classes"},
            "targets = 'classes' changes nothing, because cue-recall is made as recall",
        ),
        (40, {"scenes": {"side": 16}}, "scenes .* changes nothing"),
    ],
)
def test_trials_that_cannot_be_are_refused(steps: int, entries: dict, words: str):
    with pytest.raises(InputError, match=words):
        load_dataset(DataTable(name="cue-recall", **entries), bins=steps)


def test_noise_that_hides_cues_and_entries_of_other_data_are_refused():
    with pytest.raises(InputError, match=r"noise = 0.5 hides cues of rate = 0.5"):
        make_study(data={"name": "cue-recall", "recall": {"noise": 0.5}})
    with pytest.raises(InputError, match="cue-recall"):
        make_dataset((torch.rand(20, 3), torch.arange(20) % 2), recall={"cues": 3})
