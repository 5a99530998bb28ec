"""``posegen generate``: the first stage alone."""

from __future__ import annotations

from posegen.cli import options


def generate(
    recipe: options.Recipe = None,
    renderer: options.Renderer = None,
    estimator: options.Estimator = None,
    prior: options.Prior = None,
    discriminator: options.Discriminator = None,
    assignments: options.Set = None,
    seed: options.Seed = None,
    device: options.Device = None,
    out: options.Out = None,
) -> None:
    """Generate a dataset where the estimator fails; fine-tune nothing."""
    configuration = options.configure(
        recipe,
        assignments,
        renderer=renderer,
        estimator=estimator,
        prior=prior,
        discriminator=discriminator,
        seed=seed,
        device=device,
    )
    settings = options.complete(configuration)
    from posegen import run as stages

    stages.generate(settings, options.folder(out, configuration))
