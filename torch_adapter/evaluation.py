"""Accuracy of a classifier; loss and BLEU of a model that writes text.  All of it on evaluation data, none private."""

import torch

from edgeworth_acct.torch_adapter.encoding import Encoded, collator
from edgeworth_acct.torch_adapter.losses import LOSSES, inputs_and_batch

_BATCH = 64


def evaluator(task, data, tokenizer, max_length, limit=None):
    """Function from a model to a dictionary of figures, for `fit`.

    Parameters
    ----------
    task : Task
    data : Data
    tokenizer : PreTrainedTokenizer
    max_length : int
    limit : int, optional
        Only the first so many records of each split.
    """
    splits = {split: rows if limit is None else rows[:limit] for split, rows in data.evaluation.items()}
    encoded = {split: Encoded(rows, task, tokenizer, max_length) for split, rows in splits.items()}
    collate = collator(tokenizer)

    def evaluate(model):
        figures = {}
        for split, dataset in encoded.items():
            name = f"_{split}" if len(encoded) > 1 else ""
            if task.generates:
                losses = torch.cat([LOSSES["causal_lm"](*outputs) for outputs in _run(model, dataset, collate)])
                figures[f"eval_loss{name}"] = float(losses.mean())
                figures[f"bleu{name}"] = _bleu(model, splits[split], tokenizer, max_length)
            else:
                figures |= {f"{key}{name}": value for key, value in _classified(model, dataset, collate, task).items()}
        return figures

    return evaluate


def _run(model, dataset, collate):
    device = next(model.parameters()).device
    order = sorted(range(len(dataset)), key=lambda row: len(dataset[row]["input_ids"]))
    for start in range(0, len(order), _BATCH):
        records = [dataset[row] for row in order[start : start + _BATCH]]
        _, inputs, batch = inputs_and_batch(collate(records), device)
        yield model(**inputs), batch


def _classified(model, dataset, collate, task):
    outcomes = [(outputs.logits.argmax(1), batch["labels"]) for outputs, batch in _run(model, dataset, collate)]
    said, true = (torch.cat(part) for part in zip(*outcomes))
    figures = {"accuracy": float((said == true).double().mean())}
    if task.name == "qqp":
        figures["f1"] = float(2 * ((said == 1) & (true == 1)).sum() / ((said == 1).sum() + (true == 1).sum()).clamp(1))
    return figures


def _bleu(model, rows, tokenizer, max_length):
    """Corpus BLEU (sacrebleu) of the likeliest text for each source, against all of its references."""
    import sacrebleu

    references = {}
    for (source, reference), _ in rows:
        references.setdefault(source, []).append(reference)
    sources = list(references)
    written = []
    collate, device = collator(tokenizer, left=True), next(model.parameters()).device
    for start in range(0, len(sources), _BATCH):
        ids = tokenizer(sources[start : start + _BATCH], add_special_tokens=False)["input_ids"]
        batch = collate([{"input_ids": [*one[: max_length // 2], tokenizer.eos_token_id]} for one in ids])
        batch = {key: value.to(device) for key, value in batch.items()}
        room = min(64, model.config.max_position_embeddings - batch["input_ids"].shape[1])
        output = model.generate(**batch, max_new_tokens=room, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        new = output[:, batch["input_ids"].shape[1] :]
        written += [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
    most = max(map(len, references.values()))
    streams = [[texts[k] if k < len(texts) else None for texts in references.values()] for k in range(most)]
    return sacrebleu.corpus_bleu(written, streams).score
