"""Kernel 1: rest vertices -> pixels and depths (linear blend skinning), and how each faces the light."""

from __future__ import annotations

from posegen_mesh.compile import kernel

NEAR = 0.02
"""Metres in front of the camera where drawing begins."""


@kernel
def skin(rest, normals, index, weights, bones, intrinsics, direction, homogeneous, screen, lit):  # type: ignore[no-untyped-def]
    """Fills homogeneous (V,3) = K x_cam, screen (V,2) pixels, lit (V,2) = cosines of the normal to the light and to up.

    rest, normals: (V,3) in rest pose.  index, weights: (V,4), falling.  bones: (24,3,4) rest to camera axes.
    direction: (3,) unit, towards the light, camera axes.
    Returns the pixel box (x0, y0, x1, y1) of all vertices, or an infinite one when some are not before the camera.
    """
    x_low, y_low, x_high, y_high = 1e30, 1e30, -1e30, -1e30
    whole = True
    for v in range(rest.shape[0]):
        m00 = m01 = m02 = m03 = m10 = m11 = m12 = m13 = m20 = m21 = m22 = m23 = 0.0
        for k in range(4):
            w = weights[v, k]
            if w == 0:
                break
            b = bones[index[v, k]]
            m00 += w * b[0, 0]
            m01 += w * b[0, 1]
            m02 += w * b[0, 2]
            m03 += w * b[0, 3]
            m10 += w * b[1, 0]
            m11 += w * b[1, 1]
            m12 += w * b[1, 2]
            m13 += w * b[1, 3]
            m20 += w * b[2, 0]
            m21 += w * b[2, 1]
            m22 += w * b[2, 2]
            m23 += w * b[2, 3]
        x, y, z = rest[v, 0], rest[v, 1], rest[v, 2]
        cx = m00 * x + m01 * y + m02 * z + m03
        cy = m10 * x + m11 * y + m12 * z + m13
        cz = m20 * x + m21 * y + m22 * z + m23
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        nx = m00 * x + m01 * y + m02 * z
        ny = m10 * x + m11 * y + m12 * z
        nz = m20 * x + m21 * y + m22 * z
        scale = 1.0 / ((nx * nx + ny * ny + nz * nz) ** 0.5 + 1e-12)
        lit[v, 0] = (nx * direction[0] + ny * direction[1] + nz * direction[2]) * scale
        lit[v, 1] = -ny * scale
        hx = intrinsics[0, 0] * cx + intrinsics[0, 1] * cy + intrinsics[0, 2] * cz
        hy = intrinsics[1, 0] * cx + intrinsics[1, 1] * cy + intrinsics[1, 2] * cz
        homogeneous[v, 0], homogeneous[v, 1], homogeneous[v, 2] = hx, hy, cz
        if cz <= NEAR:
            whole = False
            continue
        px, py = hx / cz, hy / cz
        screen[v, 0], screen[v, 1] = px, py
        if px < x_low:
            x_low = px
        if px > x_high:
            x_high = px
        if py < y_low:
            y_low = py
        if py > y_high:
            y_high = py
    return (x_low, y_low, x_high, y_high) if whole else (-1e30, -1e30, 1e30, 1e30)
