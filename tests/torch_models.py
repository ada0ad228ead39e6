"""Small models of real architectures, random weights, with a batch and a loss of one value per example."""

import torch
from torch import nn
from torch.nn import functional as F

from edgeworth_acct.torch_adapter import DPPlan

SIZE, LENGTH, VOCABULARY = 4, 7, 40
_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
_FORMS = {"vocab_size": VOCABULARY, "max_position_embeddings": 16}
_CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}


def classification(outputs, batch):
    return F.cross_entropy(getattr(outputs, "logits", outputs), batch["labels"], reduction="none")


def causal(outputs, batch):
    logits, labels = outputs.logits[:, :-1], batch["input_ids"][:, 1:]
    return F.cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean(1)


def text_batch(position_ids=True):
    ids = torch.randint(3, VOCABULARY, (SIZE, LENGTH))
    ids[0, -3:] = 1  # padding
    ids[1] = 5  # one id throughout
    batch = {"input_ids": ids, "attention_mask": (ids != 1).long(), "labels": torch.randint(2, (SIZE,))}
    if position_ids:
        batch["position_ids"] = torch.arange(LENGTH).expand(SIZE, -1)
    return batch


def bert():
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**_SMALL, **_FORMS, **_CALM, pad_token_id=1)
    return BertForSequenceClassification(config), classification, text_batch()


def roberta():
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(**_SMALL, **_FORMS, **_CALM, pad_token_id=1, type_vocab_size=1)
    return RobertaForSequenceClassification(config), classification, text_batch(position_ids=False)


def gpt2_tied():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=VOCABULARY, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    model = GPT2LMHeadModel(config)
    assert model.lm_head.weight is model.transformer.wte.weight
    return model, causal, text_batch()


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**_SMALL, **_FORMS, num_key_value_heads=1, tie_word_embeddings=False)
    return LlamaForCausalLM(config), causal, text_batch(position_ids=False)


def lora():
    from peft import LoraConfig, get_peft_model

    model, loss, batch = bert()
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["query", "value"], modules_to_save=["classifier"])
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return model, loss, batch


class Inputs(nn.Sequential):
    """A sequence of modules whose input is called x."""

    def forward(self, x):
        return super().forward(x)


def cnn():
    model = Inputs(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.GroupNorm(2, 8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, (3, 2), padding="same", groups=4, bias=False, padding_mode="circular"),
        nn.Conv2d(8, 6, 3, dilation=2, padding=(2, 1)),
        nn.Flatten(),
        nn.LazyLinear(2),
    )
    x = torch.randn(SIZE, 3, 9, 8)
    model(x)
    return model, classification, {"x": x, "labels": torch.randint(2, (SIZE,))}


class Twice(nn.Module):
    """A layer used twice, at two lengths; torch's RMSNorm and MultiheadAttention; a raw parameter; a list of them."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, 8, padding_idx=1)
        self.second = nn.Embedding(VOCABULARY, 8)
        self.second.weight = self.table.weight
        self.layer, self.norm = nn.Linear(8, 8), nn.RMSNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.lone = nn.Parameter(torch.randn(8))
        self.listed = nn.ParameterList([torch.randn(8), torch.randn(1)])
        self.unknown = nn.Conv1d(8, 4, 3)
        self.recurrent = nn.Bilinear(4, 4, 2)

    def forward(self, input_ids):
        x = self.table(input_ids) * self.listed[0] + self.second(input_ids.flip(1)[:, :3]).mean(1, keepdim=True)
        x = self.norm(self.layer(torch.tanh(self.layer(x)))) + self.layer(x[:, 0])[:, None] * self.lone
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = self.unknown(x.transpose(1, 2)).mean(2) * self.listed[1]
        return self.recurrent(x, torch.tanh(x))


class Recurrent(nn.Module):
    """An LSTM, which vmap cannot run, and torch's own transformer layer."""

    def __init__(self):
        super().__init__()
        self.table, self.lstm = nn.Embedding(VOCABULARY, 8), nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.layer = nn.TransformerEncoderLayer(12, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(12, 2)

    def forward(self, input_ids):
        return self.head(self.layer(self.lstm(self.table(input_ids))[0]).mean(1))


def recurrent():
    batch = text_batch()
    return Recurrent(), classification, {"input_ids": batch["input_ids"], "labels": batch["labels"]}


def vit():
    """A class token and position embeddings that are raw parameters of a module with layers inside."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**_SMALL, image_size=8, patch_size=4, num_labels=2)
    batch = {"pixel_values": torch.randn(SIZE, 3, 8, 8), "labels": torch.randint(2, (SIZE,))}
    return ViTForImageClassification(config), classification, batch


def twice():
    batch = text_batch()
    return Twice(), classification, {"input_ids": batch["input_ids"], "labels": batch["labels"]}


MODELS = {f.__name__: f for f in (bert, roberta, gpt2_tied, llama, lora, cnn, twice, recurrent, vit)}


def build(name, dtype=torch.float64, seed=0):
    """Model, loss and batch of `MODELS[name]`, with floating-point tensors in `dtype`."""
    torch.manual_seed(seed)
    model, loss, batch = MODELS[name]()
    batch = {key: value.to(dtype) if value.is_floating_point() else value for key, value in batch.items()}
    return model.to(dtype), loss, batch


def run(model, loss, batch):
    """Losses of the batch, shape (B,)."""
    return loss(model(**{key: value for key, value in batch.items() if key != "labels"}), batch)


# A data set that a small network learns in a dozen private steps.
DATA = [(torch.tensor([float(k % 2), 1.0, k / 60]), torch.tensor(k % 2)) for k in range(60)]
PLAN = DPPlan.calibrate(n=60, expected_batch=20, steps=12, epsilon=8.0, delta=1e-3)
SEEDED = {"insecure_reproducible": True, "seed": 0, "progress": False}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.Tanh(), nn.Linear(16, 2))
