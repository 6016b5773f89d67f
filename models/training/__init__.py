"""How the embedded model is made: data, tokenizer, n-gram table, encoder, calibration, model card."""
