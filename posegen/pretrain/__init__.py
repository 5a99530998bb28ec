"""``posegen pretrain``: an estimator from random weights, on in-distribution renders (docs/pretrain.md)."""
