from __future__ import annotations

import json
import threading

import pytest
import torch

from runner.logging import HistoryBuffer, MessageHub


def test_scalars_and_facts():
    hub = MessageHub("test")
    hub.update_scalar("train/loss", 0.5)
    hub.update_scalars({"train/acc": torch.tensor(1.0), "train/sum": {"value": 6, "count": 3}})
    hub.update_info("iter", 3)
    hub.update_info_dict({"epoch": 1, "name": "x"})
    assert hub.get_scalar("train/sum").mean() == 2
    assert sorted(hub.log_scalars) == ["train/acc", "train/loss", "train/sum"]
    assert (hub.get_info("iter"), hub.get_info("none", 7), hub.pop_info("epoch"), hub.pop_info("epoch")) == (
        3,
        7,
        1,
        None,
    )
    assert hub.runtime_info == {"iter": 3, "name": "x"}


def test_mistakes_name_the_scalar():
    hub = MessageHub()
    with pytest.raises(ValueError, match=r"'train/x'.*shape \(2,\)"):
        hub.update_scalar("train/x", torch.ones(2))
    with pytest.raises(ValueError, match="'a': needs 'value'"):
        hub.update_scalars({"a": {"count": 1}})
    with pytest.raises(ValueError, match="needs 'value', may have 'count'"):
        hub.update_scalars({"a": {"value": 1, "cuont": 1}})
    with pytest.raises(KeyError, match=r"no scalar 'nope'"):
        hub.get_scalar("nope")
    hub.update_info("k", 1)
    with pytest.raises(ValueError, match="recorded with resumed=True before"):
        hub.update_info("k", 1, resumed=False)


def test_the_state_is_plain_and_comes_back():
    hub = MessageHub()
    hub.update_scalar("train/loss", torch.tensor(0.1))
    hub.update_scalar("train/secret", 1.0, resumed=False)
    hub.update_info("best", {"score": 1.0})
    hub.update_info("temporary", 1, resumed=False)
    state = json.loads(json.dumps(hub.state_dict()))
    other = MessageHub()
    other.load_state_dict(state)
    assert list(other.log_scalars) == ["train/loss"]
    assert other.get_scalar("train/loss").state_dict() == hub.get_scalar("train/loss").state_dict()
    assert other.runtime_info == {"best": {"score": 1.0}}
    third = MessageHub()
    third.load_state_dict(other)
    assert third.state_dict() == other.state_dict()


def test_scalars_of_another_form_are_left_out():
    hub = MessageHub()
    hub.load_state_dict({"log_scalars": {"train/loss": object()}, "runtime_info": {"iter": 4}})
    assert (hub.log_scalars, hub.get_info("iter")) == ({}, 4)


def test_everything_is_read_in_one_go(monkeypatch, of_device):
    hub, stacked = MessageHub(), []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda tensors: stacked.append(len(tensors)) or stack(tensors))
    for step in range(5):
        hub.update_scalar("train/a", of_device(torch.tensor(float(step))))
        hub.update_scalar("train/b", of_device(torch.tensor(float(step))))
    hub.settle()
    assert stacked == [10]
    assert hub.get_scalar("train/b").mean() == 2


def test_an_epoch_of_one_mode_begins_anew():
    hub = MessageHub()
    for mode in ("train", "val"):
        hub.update_scalar(f"{mode}/time", 1.0)
    hub.start_epoch("val")
    assert hub.get_scalar("train/time").has("epoch")
    assert not hub.get_scalar("val/time").has("epoch")


def test_more_can_be_kept():
    hub = MessageHub(max_length=2)
    hub.update_scalar("train/a", 1.0)
    hub.reserve(100)
    hub.update_scalar("train/b", 1.0)
    assert {buffer.max_length for buffer in hub.log_scalars.values()} == {100}
    assert isinstance(hub.get_scalar("train/a"), HistoryBuffer)


def test_the_current_hub_is_that_of_the_block_and_of_the_thread():
    hub, inner, seen = MessageHub("outer"), MessageHub("inner"), []
    with hub.current():
        with inner.current():
            assert MessageHub.get_current_instance() is inner
        assert MessageHub.get_current_instance() is hub
        thread = threading.Thread(target=lambda: seen.append(MessageHub.get_current_instance()))
        thread.start()
        thread.join()
    assert seen[0] is not hub
    assert MessageHub.get_current_instance() is MessageHub.get_current_instance() is not hub


def test_a_hub_begins_with_what_it_is_given():
    hub = MessageHub("x", {"a": HistoryBuffer([1, 2])}, {"b": 3, "c": 4}, {"a": True, "b": True, "c": False})
    assert hub.get_scalar("a").mean() == 1.5
    assert hub.state_dict()["runtime_info"] == {"b": 3}
    assert hub.resumed_keys == {"a": True, "b": True, "c": False}
    with pytest.raises(TypeError, match=r"log_scalars\['a'\] must be a HistoryBuffer, got float"):
        MessageHub("x", {"a": 1.0})
    with pytest.raises(ValueError, match=r"resumed_keys names \['z'\]"):
        MessageHub("x", resumed_keys={"z": True})


def test_a_hub_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(MessageHub, "_named", {})
    hub = MessageHub.get_instance("found-by-name")
    hub.update_info("seen", True)
    assert MessageHub.get_instance("found-by-name").get_info("seen")
    assert MessageHub.get_current_instance() is hub
    assert hub.instance_name == "found-by-name"
