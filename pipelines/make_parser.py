"""Command lines that are typed behind `make`: what they say of their usage can be typed as it stands.

Here belongs the form of the usage line. What a command takes is said in its own file.
"""

from __future__ import annotations

import argparse


class MakeParser(argparse.ArgumentParser):
    """A parser whose `prog` is `make <target>`; its usage names ARGS, which make passes on: `make model ARGS="promote ..."`.

    Parsers of its sub-commands say it likewise.
    """

    def format_usage(self) -> str:
        _, make, target, *words = super().format_usage().split()
        return f'usage: {make} {target} ARGS="{" ".join(word for word in words if word != "[-h]")}"\n'

    def format_help(self) -> str:
        _, _, rest = super().format_help().partition("\n\n")
        return f"{self.format_usage()}\n{rest}"
