"""Records as token ids, and batches of them."""

import torch

_IGNORED = -100


class Encoded:
    """A data set of token ids, `dataset[i]` and ``len(dataset)``.

    Parameters
    ----------
    rows : list
        As in `edgeworth_acct.torch_adapter.data`.
    task : Task
    tokenizer : PreTrainedTokenizer
    max_length : int
        Longer records are cut off at their end.

    Attributes
    ----------
    cut : int
        How many were.
    lengths : list of int
        Tokens of each record.
    """

    def __init__(self, rows, task, tokenizer, max_length):
        self.records = _generated(rows, tokenizer) if task.generates else _classified(rows, tokenizer)
        self.cut = sum(len(record["input_ids"]) > max_length for record in self.records)
        if self.cut and not task.generates:
            self.records = _classified(rows, tokenizer, max_length)
        elif self.cut:
            cut = ({key: values[:max_length] for key, values in record.items()} for record in self.records)
            self.records = list(cut)
        self.lengths = [len(record["input_ids"]) for record in self.records]

    def __len__(self):
        return len(self.records)

    def __getitem__(self, row):
        return self.records[row]


def _classified(rows, tokenizer, max_length=None):
    texts = [list(column) for column in zip(*(texts for texts, _ in rows))]
    encoded = tokenizer(*texts, truncation=max_length is not None, max_length=max_length, verbose=False)
    keys = [key for key in encoded if key != "attention_mask"]
    return [{key: encoded[key][k] for key in keys} | {"labels": label} for k, (_, label) in enumerate(rows)]


def _generated(rows, tokenizer):
    """Source, end of text, reference, end of text; only what comes after the source counts in the loss."""
    sources = tokenizer([texts[0] for texts, _ in rows], add_special_tokens=False)["input_ids"]
    references = tokenizer([f" {texts[1]}" for texts, _ in rows], add_special_tokens=False)["input_ids"]
    end = [tokenizer.eos_token_id]
    return [
        {
            "input_ids": source + end + reference + end,
            "labels": [_IGNORED] * (len(source) + 1) + reference + end,
        }
        for source, reference in zip(sources, references)
    ]


def collator(tokenizer, left=False):
    """Function from records to a batch, padded to its longest record."""
    fills = {"input_ids": tokenizer.pad_token_id, "labels": _IGNORED}

    def collate(records):
        longest = max(len(record["input_ids"]) for record in records)

        def padded(values, fill):
            rest = [fill] * (longest - len(values))
            return rest + values if left else values + rest

        batch = {"attention_mask": [padded([1] * len(record["input_ids"]), 0) for record in records]}
        for key, first in records[0].items():
            values = [record[key] for record in records]
            batch[key] = [padded(value, fills.get(key, 0)) for value in values] if isinstance(first, list) else values
        return {key: torch.tensor(values) for key, values in batch.items()}

    return collate
