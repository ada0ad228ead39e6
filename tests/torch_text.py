"""A tiny random BERT and GPT-2 with tokenizers, on disk, and small data sets in every layout."""

import lzma
import random

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

GOOD, BAD = ("fine", "great", "lovely"), ("dull", "awful", "poor")
FILLERS = ("a", "film", "story", "actor", "and", "the", "plot", "?", "name", "place", "|")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<|endoftext|>")


def tokenizer(folder, decoder=False):
    from transformers import PreTrainedTokenizerFast

    words = {word: k for k, word in enumerate((*SPECIAL, *GOOD, *BAD, *FILLERS))}
    base = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    base.pre_tokenizer = pre_tokenizers.Whitespace()
    if decoder:
        fast = PreTrainedTokenizerFast(tokenizer_object=base, eos_token="<|endoftext|>", unk_token="[UNK]")
    else:
        base.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        fast = PreTrainedTokenizerFast(tokenizer_object=base, model_max_length=32, **names)
    fast.save_pretrained(folder)
    return len(words)


_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def tiny_bert(folder):
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    # As different as pretrained features are: with the usual 0.02 all sentences look alike.
    shape = {"vocab_size": tokenizer(folder), "max_position_embeddings": 40, "initializer_range": 0.3}
    BertModel(BertConfig(**shape, **_SMALL)).save_pretrained(folder)
    return folder


def tiny_roberta(folder):
    from transformers import RobertaConfig, RobertaModel

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer(folder), max_position_embeddings=42, type_vocab_size=2, pad_token_id=0, **_SMALL
    )
    RobertaModel(config).save_pretrained(folder)
    return folder


def tiny_gpt2(folder):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    size = tokenizer(folder, decoder=True)
    config = GPT2Config(vocab_size=size, n_positions=48, n_embd=16, n_layer=1, n_head=2, eos_token_id=4, bos_token_id=4)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def sentiment(rows, seed=0):
    chance = random.Random(seed)
    result = []
    for k in range(rows):
        words = [*chance.choices(FILLERS[:7], k=chance.randint(1, 5)), chance.choice((BAD, GOOD)[k % 2])]
        chance.shuffle(words)
        result.append((" ".join(words), k % 2))
    return result


def write_tsv(path, header, rows, packed=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join("\t".join(map(str, row)) + "\n" for row in (header, *rows))
    if packed:
        path.with_name(path.name + ".xz").write_bytes(lzma.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def sst2_folder(folder, rows=200):
    write_tsv(folder / "sst2_train.tsv", ("sentence", "label"), sentiment(rows), packed=True)
    write_tsv(folder / "sst2_dev.tsv", ("sentence", "label"), sentiment(60, seed=1))
    return folder
