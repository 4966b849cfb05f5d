"""Seconds as people read them."""


def clock(seconds: float, decimals: int = 1) -> str:
    """83.4 -> ``1:23.4``, 3683 -> ``1:01:23.0``; without decimals ``1:23`` and ``1:01:23``."""
    unit = 10**decimals
    minutes, rest = divmod(round(unit * seconds), 60 * unit)
    hours, minutes = divmod(minutes, 60)
    text = f'{rest // unit:02d}' + (f'.{rest % unit:0{decimals}d}' if decimals else '')
    return f'{hours}:{minutes:02d}:{text}' if hours else f'{minutes}:{text}'
