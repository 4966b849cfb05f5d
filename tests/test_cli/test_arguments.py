"""Arguments that tools share."""

import argparse

from asl_mmaction.cli.arguments import make_parser


def arguments(*words):
    return make_parser('A tool.').parse_args([str(word) for word in words])


def test_help_does_not_ask_mim_for_more():
    # mim appends --gpus and --device to a tool whose help names --gpus.
    parser = make_parser('A tool.')
    assert isinstance(parser, argparse.ArgumentParser)
    assert '--gpus' not in parser.format_help()
