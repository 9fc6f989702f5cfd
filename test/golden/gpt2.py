"""Writes test/golden/gpt2.safetensors: weights of a small GPT2LMHeadModel under the names of transformers, tokens (`tokens`) and their logits (`logits`). Needs transformers and torch."""

import os

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(4)
sizes = {"vocab_size": 19, "n_positions": 10, "n_embd": 12, "n_head": 3, "n_layer": 2, "bos_token_id": 0, "eos_token_id": 0}
model = GPT2LMHeadModel(GPT2Config(**sizes)).eval()
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.normal_(0, 0.35)
        else:
            parameter.add_(torch.randn_like(parameter) * 0.2)
    tokens = torch.tensor([[1, 5, 18, 0, 7], [3, 3, 2, 11, 4]])
    logits = model(tokens).logits
state = {name: value.contiguous() for name, value in model.state_dict().items() if name != "lm_head.weight"}
state |= {"tokens": tokens.int(), "logits": logits.contiguous()}
save_file(state, os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpt2.safetensors"))
