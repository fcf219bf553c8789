"""Names and texts as SQL writes them."""


def quote_identifier(name: str) -> str:
    """`name` as an SQL identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """`text` as an SQL text, whatever characters it holds."""
    return "'" + text.replace("'", "''") + "'"
