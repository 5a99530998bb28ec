"""Kernel 3: the colour of every sample that is seen, averaged into pixels."""

from __future__ import annotations

from posegen_mesh.compile import kernel
from posegen_mesh.texture import address
from posegen_mesh.visibility import edges

WRAP = 0.4
"""How far light reaches around a body: 0 is Lambert, 1 is half-Lambert. Cloth and skin look wooden at 0."""
SKY = 0.2
"""By how much the ambient light from above is stronger than the mean, and that from below weaker."""


@kernel
def shade(  # type: ignore[no-untyped-def]
    homogeneous, lit, faces, uv, part, texels, layout, level, owner, x_off, y_off, samples, light, image, alpha
):
    """Fills image (3,H,W), premultiplied, and alpha (H,W); pixels outside of the buffer ``owner`` stay as they are.

    lit: (V,2) cosines, see ``skin``.  light: (4,) ambient, colour.  samples: per pixel and axis.
    """
    height, width = owner.shape
    share = 1.0 / (samples * samples)
    ambient = light[0]
    key_light = (1 - ambient) / (1 + WRAP)
    last, facing = -1, 1.0
    e0x = e0y = e0c = e1x = e1y = e1c = e2x = e2y = e2c = 0.0
    a = b = c = start = rows = columns = 0
    for y in range(0, height, samples):
        for x in range(0, width, samples):
            red = green = blue = 0.0
            hits = 0
            for sy in range(y, y + samples):
                for sx in range(x, x + samples):
                    f = owner[sy, sx]
                    if f < 0:
                        continue
                    hits += 1
                    if f != last:
                        last = f
                        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                        e0x, e0y, e0c, e1x, e1y, e1c, e2x, e2y, e2c, det = edges(homogeneous, a, b, c)
                        facing = 1.0 if det < 0 else -1.0  # a face seen from its back shows its other side
                        p, mip = part[f], level[f]
                        start, rows, columns = layout[p, mip, 0], layout[p, mip, 1], layout[p, mip, 2]
                    px, py = sx + x_off + 0.5, sy + y_off + 0.5
                    b0, b1, b2 = e0x * px + e0y * py + e0c, e1x * px + e1y * py + e1c, e2x * px + e2y * py + e2c
                    total = 1.0 / (b0 + b1 + b2)
                    b0, b1, b2 = b0 * total, b1 * total, b2 * total
                    to_light = facing * (b0 * lit[a, 0] + b1 * lit[b, 0] + b2 * lit[c, 0])
                    to_sky = facing * (b0 * lit[a, 1] + b1 * lit[b, 1] + b2 * lit[c, 1])
                    key = max(0.0, to_light + WRAP) * key_light
                    sky = ambient * (1 + SKY * to_sky)
                    u = b0 * uv[f, 0, 0] + b1 * uv[f, 1, 0] + b2 * uv[f, 2, 0]
                    v = b0 * uv[f, 0, 1] + b1 * uv[f, 1, 1] + b2 * uv[f, 2, 1]
                    row, column, wx, wy = address(u, v, rows, columns)
                    i = start + row * columns + column
                    right = 1 if column + 1 < columns else 0
                    down = columns if row + 1 < rows else 0
                    w00, w01, w10, w11 = (1 - wx) * (1 - wy), wx * (1 - wy), (1 - wx) * wy, wx * wy
                    j, k, l = i + right, i + down, i + down + right
                    r = w00 * texels[i, 0] + w01 * texels[j, 0] + w10 * texels[k, 0] + w11 * texels[l, 0]
                    g = w00 * texels[i, 1] + w01 * texels[j, 1] + w10 * texels[k, 1] + w11 * texels[l, 1]
                    t = w00 * texels[i, 2] + w01 * texels[j, 2] + w10 * texels[k, 2] + w11 * texels[l, 2]
                    red += min(255.0, r * (sky + key * light[1]))
                    green += min(255.0, g * (sky + key * light[2]))
                    blue += min(255.0, t * (sky + key * light[3]))
            if hits > 0:
                oy, ox = (y + y_off) // samples, (x + x_off) // samples
                image[0, oy, ox] = red * share / 255.0
                image[1, oy, ox] = green * share / 255.0
                image[2, oy, ox] = blue * share / 255.0
                alpha[oy, ox] = hits * share
