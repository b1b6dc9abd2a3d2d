"""The 70 characters that the char-CNN-RNN text encoder knows, in its order; id 0 is padding."""

from collections.abc import Iterable

# '-' occurs twice; the published files use the id of its second position.
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "


def spell(ids: Iterable[int]) -> str:
    """Writes character ids as text.

    Args:
      ids: 1..70; 0 is left out.

    Raises:
      ValueError: an id is beyond the alphabet.
    """
    letters = []
    for number in ids:
        if not 0 <= number <= len(ALPHABET):
            raise ValueError(f"character ids must be 0..{len(ALPHABET)}, got {number}")
        letters.append(ALPHABET[number - 1] if number else "")
    return "".join(letters)
