"""``march = "fast"``: the same weights, only where the person is. Read ``draw``, then ``march``, then ``backward``."""
