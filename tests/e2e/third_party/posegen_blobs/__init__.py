"""Small third-party parts, sound and faulty ones, for runs that take a second."""

import posegen

SUMMARIES = {
    ("renderer", "blobs", "Blobs"): "a differentiable person of blobs",
    ("estimator", "tiny", "Tiny"): "a small network with dropout and tied weights",
    ("estimator", "opaque", "Opaque"): "a black box",
    ("prior", "constant", "Constant"): "one z for all",
    ("motion", "none", "NoMotion"): "no clips",
}


@posegen.hookimpl
def posegen_components():
    for (kind, name, target), summary in SUMMARIES.items():
        yield posegen.Component(kind, name, f"posegen_blobs.parts:{target}", summary=summary, licence="Apache-2.0")
