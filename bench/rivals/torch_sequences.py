"""PyTorch's recurrent nets. Weights come as [in, gates · hidden], gates in PyTorch's own order."""

import os

import numpy as np
import torch
import torch.nn.functional as F

from torch_training import step_of, training


def sequence(work, folder, variant):
    cell, hidden, classes, inputs = work["cell"], work["hidden"], work["classes"], work["inputs"]
    batches, batch, time = work["batches"], work["batch"], work["time"]
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    net, head = kind(inputs, hidden, batch_first=True, bias=False), torch.nn.Linear(hidden, classes)
    values = torch.from_numpy(np.fromfile(os.path.join(folder, "weights.bin"), dtype=np.float32))
    at = 0
    with torch.no_grad():
        for parameter, rows in ((net.weight_ih_l0, inputs), (net.weight_hh_l0, hidden), (head.weight, hidden)):
            columns = parameter.shape[0]
            parameter.copy_(values[at : at + rows * columns].reshape(rows, columns).T)
            at += rows * columns
        head.bias.copy_(values[at:])
    shape = (batches, batch, time)
    x = list(torch.from_numpy(np.fromfile(os.path.join(folder, "inputs.bin"), dtype=np.float32).reshape(*shape, inputs)))
    y = list(torch.from_numpy(np.fromfile(os.path.join(folder, "targets.bin"), dtype=np.int32).reshape(batches, batch * time)).long())
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=work["lr"], fused=True)

    def loss_of(x, y):
        return F.cross_entropy(head(net(x)[0]).flatten(0, 1), y)

    return training(step_of(loss_of, optimizer, variant == "compile", work.get("precision")), x, y, 10)
