"""Published evaluation protocols, and an estimator's figures on a dataset by one of them (docs/protocols.md)."""
