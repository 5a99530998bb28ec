"""Kernel 2: which face is seen in which sample (z-buffer).

Edge functions in homogeneous coordinates (Olano and Greer 1997, "Triangle scan conversion using 2D homogeneous
coordinates"): for the columns v0, v1, v2 of K x_cam and a pixel p = (x, y, 1), the three values
``(v1 x v2).p, (v2 x v0).p, (v0 x v1).p`` over ``det(v0, v1, v2)`` are the perspective-correct barycentrics divided by
the depth. All positive: the pixel is inside and before the camera. So faces that reach behind the camera need no
clipping, and nothing needs a division until it is seen.
"""

from __future__ import annotations

import numpy as np

from posegen_mesh.compile import kernel
from posegen_mesh.skin import NEAR
from posegen_mesh.texture import address, clamp

ALPHA_TEST = 0.35 * 255


@kernel
def edges(homogeneous, a, b, c):  # type: ignore[no-untyped-def]
    """The three edge functions (x, y and constant term each) of a face, and its determinant."""
    ax, ay, az = homogeneous[a, 0], homogeneous[a, 1], homogeneous[a, 2]
    bx, by, bz = homogeneous[b, 0], homogeneous[b, 1], homogeneous[b, 2]
    cx, cy, cz = homogeneous[c, 0], homogeneous[c, 1], homogeneous[c, 2]
    e0x, e0y, e0c = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    e1x, e1y, e1c = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    e2x, e2y, e2c = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return e0x, e0y, e0c, e1x, e1y, e1c, e2x, e2y, e2c, ax * e0x + ay * e0y + az * e0c


@kernel
def near_box(homogeneous, a, b, c):  # type: ignore[no-untyped-def]
    """Pixel box of the part of a face that lies before the near plane; the face must cross that plane."""
    x_low, y_low, x_high, y_high = 1e30, 1e30, -1e30, -1e30
    corner = (a, b, c)
    for k in range(3):
        i, j = corner[k], corner[(k + 1) % 3]
        zi, zj = homogeneous[i, 2], homogeneous[j, 2]
        if zi > NEAR:
            x, y = homogeneous[i, 0] / zi, homogeneous[i, 1] / zi
            x_low, x_high, y_low, y_high = min(x_low, x), max(x_high, x), min(y_low, y), max(y_high, y)
        if (zi > NEAR) != (zj > NEAR):
            t = (NEAR - zi) / (zj - zi)
            x = (homogeneous[i, 0] + t * (homogeneous[j, 0] - homogeneous[i, 0])) / NEAR
            y = (homogeneous[i, 1] + t * (homogeneous[j, 1] - homogeneous[i, 1])) / NEAR
            x_low, x_high, y_low, y_high = min(x_low, x), max(x_high, x), min(y_low, y), max(y_high, y)
    return x_low, y_low, x_high, y_high


@kernel
def rasterise(  # type: ignore[no-untyped-def]
    homogeneous, screen, faces, uv, uv_area, part, masked, texels, layout, x_off, y_off, depth, owner, level
):
    """Fills depth (h,w) with 1/z, owner (h,w) with the face seen (-1: none) and level (F,) with its mip level.

    The buffers cover the samples from column ``x_off`` and row ``y_off`` on.  faces: (F,3).  uv: (F,3,2).  uv_area:
    (F,) texels that a face covers at level 0.  masked: (P,) whether the part's texture has holes.
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        za, zb, zc = homogeneous[a, 2], homogeneous[b, 2], homogeneous[c, 2]
        if za > NEAR and zb > NEAR and zc > NEAR:
            x_low = min(screen[a, 0], screen[b, 0], screen[c, 0])
            x_high = max(screen[a, 0], screen[b, 0], screen[c, 0])
            y_low = min(screen[a, 1], screen[b, 1], screen[c, 1])
            y_high = max(screen[a, 1], screen[b, 1], screen[c, 1])
        elif za > NEAR or zb > NEAR or zc > NEAR:
            x_low, y_low, x_high, y_high = near_box(homogeneous, a, b, c)
        else:
            continue
        # clamped as floats: a vertex close to the camera may lie further out than an integer can say
        first_x = int(np.ceil(clamp(x_low - x_off - 0.5 - 1e-9, 0.0, width)))
        last_x = int(np.floor(clamp(x_high - x_off - 0.5 + 1e-9, -1.0, width - 1.0)))
        first_y = int(np.ceil(clamp(y_low - y_off - 0.5 - 1e-9, 0.0, height)))
        last_y = int(np.floor(clamp(y_high - y_off - 0.5 + 1e-9, -1.0, height - 1.0)))
        if first_x > last_x or first_y > last_y:
            continue
        e0x, e0y, e0c, e1x, e1y, e1c, e2x, e2y, e2c, det = edges(homogeneous, a, b, c)
        if det == 0:
            continue
        if det < 0:
            e0x, e0y, e0c, e1x, e1y, e1c = -e0x, -e0y, -e0c, -e1x, -e1y, -e1c
            e2x, e2y, e2c, det = -e2x, -e2y, -e2c, -det
        mip = 0
        ratio = uv_area[f] * za * zb * zc / det  # texels a sample; det / (za zb zc) is twice the area on the screen
        while mip < layout.shape[1] - 1 and ratio > 2:
            ratio *= 0.25
            mip += 1
        level[f] = mip
        p = part[f]
        for y in range(first_y, last_y + 1):
            py = y + y_off + 0.5
            r0, r1, r2 = e0y * py + e0c, e1y * py + e1c, e2y * py + e2c
            for x in range(first_x, last_x + 1):
                px = x + x_off + 0.5
                b0, b1, b2 = e0x * px + r0, e1x * px + r1, e2x * px + r2
                if b0 < 0 or b1 < 0 or b2 < 0:
                    continue
                total = b0 + b1 + b2
                nearness = np.float32(total / det)
                if not (depth[y, x] < nearness <= 1 / NEAR):  # written so that NaN, of a face that overflowed, is out
                    continue
                if masked[p]:
                    b0, b1, b2 = b0 / total, b1 / total, b2 / total
                    u = b0 * uv[f, 0, 0] + b1 * uv[f, 1, 0] + b2 * uv[f, 2, 0]
                    v = b0 * uv[f, 0, 1] + b1 * uv[f, 1, 1] + b2 * uv[f, 2, 1]
                    start, rows, columns = layout[p, mip, 0], layout[p, mip, 1], layout[p, mip, 2]
                    row, column, wx, wy = address(u, v, rows, columns)
                    i = start + row * columns + column
                    right = 1 if column + 1 < columns else 0
                    down = columns if row + 1 < rows else 0
                    top = (1 - wx) * texels[i, 3] + wx * texels[i + right, 3]
                    bottom = (1 - wx) * texels[i + down, 3] + wx * texels[i + down + right, 3]
                    if (1 - wy) * top + wy * bottom < ALPHA_TEST:
                        continue
                depth[y, x] = nearness
                owner[y, x] = f
