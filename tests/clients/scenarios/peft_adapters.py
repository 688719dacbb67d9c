"""`peft`: a LoRA adapter pushed, and loaded onto its base from the hub."""

from __future__ import annotations

import sys

import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftModel, get_peft_model
from rows import TOKEN, new_id, row, run_rows
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

torch.manual_seed(0)
base_id, adapter_id = new_id(), new_id()
CONFIG = BertConfig(
    vocab_size=600, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128
)
TOKENS = torch.arange(10)[None]


@row("base and adapter: push_to_hub")
def push() -> None:
    BertForSequenceClassification(CONFIG).push_to_hub(base_id, token=TOKEN)
    base = AutoModelForSequenceClassification.from_pretrained(base_id, token=TOKEN)
    adapter = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"]))
    for name, parameter in adapter.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    adapter.push_to_hub(adapter_id, token=TOKEN)
    push.expected = adapter.eval()(TOKENS).logits


@row("PeftModel.from_pretrained onto the base")
def load() -> None:
    base = AutoModelForSequenceClassification.from_pretrained(base_id, token=TOKEN)
    found = PeftModel.from_pretrained(base, adapter_id, token=TOKEN).eval()
    assert torch.allclose(found(TOKENS).logits, push.expected, atol=1e-5)


@row("AutoPeftModel finds its base by itself")
def auto() -> None:
    found = AutoPeftModelForSequenceClassification.from_pretrained(adapter_id, token=TOKEN).eval()
    assert found(TOKENS).logits.shape == push.expected.shape


if __name__ == "__main__":
    sys.exit(run_rows())
