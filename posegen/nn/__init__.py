"""Backbones with torchvision's names, shared by the estimators' adapters. A public name of the core."""
