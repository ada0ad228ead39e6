"""A classifier on sentence embeddings: the mean of an encoder's token vectors, scaled to length 1."""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class MeanPooledClassifier(PreTrainedModel):
    """An encoder, the mean over each text's own tokens scaled to length 1, dropout, and a linear classifier.

    Sentence embedders are trained on vectors of this kind.  The length 1 also keeps the classifier's own gradient, the
    vector times the error, from taking most of the clip norm away from the encoder's.

    Parameters
    ----------
    config : PretrainedConfig
        The encoder's, with `num_labels`.
    """

    base_model_prefix = "encoder"
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True

    def __init__(self, config):
        super().__init__(config)
        self.encoder = AutoModel.from_config(config)
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.0))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # of the first token: not used here, so not trained either

    @classmethod
    def load(cls, where, **settings):
        """From a folder or hub id of the encoder or of one of these.

        Parameters
        ----------
        where : str or path
        settings
            As for `transformers.PreTrainedModel.from_pretrained`; those of the configuration, too.
        """
        dtype = settings.pop("dtype", torch.float32)
        config = AutoConfig.from_pretrained(where, **settings)
        return cls.from_pretrained(where, config=config, dtype=dtype)

    def forward(self, input_ids=None, attention_mask=None, position_ids=None, **inputs):
        """Logits (B, classes) of token ids (B, T), their mask and positions."""
        if position_ids is not None:
            inputs["position_ids"] = position_ids
        vectors = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        if attention_mask is None:
            attention_mask = vectors.new_ones(vectors.shape[:2])
        weights = attention_mask / attention_mask.sum(1, keepdim=True).clamp_min(1)
        pooled = torch.einsum("bt,bth->bh", weights.to(vectors.dtype), vectors)
        embedding = nn.functional.normalize(pooled, dim=1)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(embedding)))
