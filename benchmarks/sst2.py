"""Train a small transformer from random weights on SST-2 under differential privacy, on a CPU in minutes.

The guarantee covers the weights, for the plan that is printed first.  It covers neither how the settings below were
chosen (a dozen runs, compared on the development set) nor the loss on the progress bar.
"""

import argparse
import json
import lzma
import time
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import BertConfig, BertModel

import edgeworth_acct as ea
from edgeworth_acct.torch_adapter import DPPlan, fit, prepare

_EPILOG = """\
example:
  python benchmarks/sst2.py --data ../shared/data --output sst2
  and the same again with --resume after an interrupt

DATA holds glue/sst2_train.tsv.xz, glue/sst2_dev.tsv.xz, bpe/encoder.json and bpe/vocab.bpe (GPT-2's byte pairs).
OUTPUT gets plan.json, weights.pt, metrics.json, certificate.json, and checkpoint.bin, which is secret.
"""


class Classifier(nn.Module):
    """A transformer encoder, the mean of its outputs, and a linear layer."""

    def __init__(self, vocabulary, width, layers, length):
        super().__init__()
        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            intermediate_size=2 * width,
            max_position_embeddings=length,
            type_vocab_size=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(width, 2)

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None]
        return self.head((hidden * mask).sum(1) / mask.sum(1))


class Text:
    """Sentences as byte-pair ids, by the first merges of a public table: no vocabulary is made of private data."""

    def __init__(self, folder, merges, length):
        table = (folder / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1 : merges + 1]
        pairs = [tuple(line.split(" ")) for line in table]
        ids = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        order = sorted((token for token in ids if len(token) == 1), key=ids.get) + ["".join(pair) for pair in pairs]
        self.tokenizer = ByteLevelBPETokenizer({token: k for k, token in enumerate(order)}, pairs)
        self.vocabulary, self.padding, self.length = len(order) + 1, len(order), length

    def read(self, path):
        """Records (ids, label) of a table."""
        rows = lzma.open(path, "rt", encoding="utf-8", newline="\n").read().split("\n")[1:]
        sentences, labels = zip(*(row.split("\t") for row in rows if row))
        encoded = self.tokenizer.encode_batch([" " + sentence for sentence in sentences])
        return [(each.ids[: self.length], int(label)) for each, label in zip(encoded, labels)]

    def collate(self, records):
        longest = max(len(ids) for ids, _ in records)
        ids = torch.tensor([ids + [self.padding] * (longest - len(ids)) for ids, _ in records])
        labels = torch.tensor([label for _, label in records])
        return {"input_ids": ids, "attention_mask": (ids != self.padding).long(), "labels": labels}


def accuracy(model, batches):
    right = sum(int((model(b["input_ids"], b["attention_mask"]).argmax(1) == b["labels"]).sum()) for b in batches)
    return right / sum(len(b["labels"]) for b in batches)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--batch", type=float, default=2000.0, help="expected records per step")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--clip", type=float, default=2.0)
    parser.add_argument("--lr", type=float, default=0.4, help="of SGD with momentum 0.9, falling to zero linearly")
    parser.add_argument("--merges", type=int, default=4000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--micro-batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights; noise and batches have none")
    options = parser.parse_args()

    start = time.perf_counter()
    text = Text(options.data / "bpe", options.merges, length=32)
    train, dev = (text.read(options.data / "glue" / f"sst2_{part}.tsv.xz") for part in ("train", "dev"))
    plan = DPPlan.calibrate(
        n=len(train),
        expected_batch=options.batch,
        steps=options.steps,
        epsilon=options.epsilon,
        delta=options.delta,
        clip=options.clip,
    )
    print(plan)
    torch.manual_seed(options.seed)
    model = Classifier(text.vocabulary, options.width, options.layers, text.length)
    prepare(model.encoder)
    batches = [text.collate(dev[k : k + 256]) for k in range(0, len(dev), 256)]
    result = fit(
        model,
        train,
        plan,
        lr=options.lr,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=options.lr, momentum=0.9),
        schedule="linear",
        collate=text.collate,
        micro_batch=options.micro_batch,
        eval_fn=lambda model: {"dev_accuracy": accuracy(model, batches)},
        evaluate_every=max(1, options.steps // 10),
        checkpoint=options.output,
        checkpoint_every=20,
        resume=options.resume,
    )
    ones = sum(label for _, label in dev)
    majority = max(ones, len(dev) - ones) / len(dev)
    print(f"dev accuracy {result.history[-1]['dev_accuracy']:.4f}, of the majority class {majority:.4f}")
    verdict = ea.verdict(json.loads((options.output / "certificate.json").read_text()))
    print(f"certificate {'verified' if verdict.valid else 'refused'}: {verdict.reason}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
