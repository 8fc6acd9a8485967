import pytest

from tests.conftest import scratch


def test_a_model_half_written_by_a_killed_process_is_made_anew(tmp_path, monkeypatch):
    from transformers import LlamaForCausalLM

    def killed(self, folder):
        self.config.save_pretrained(folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LlamaForCausalLM, "save_pretrained", killed)
        scratch().weights(tmp_path / "base", ["some text"], seed=1)
    assert not (tmp_path / "base").exists()
    made = scratch().weights(tmp_path / "base", ["some text"], seed=1)
    assert (tmp_path / "base" / "model.safetensors").exists() and made.path == str(tmp_path / "base")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
