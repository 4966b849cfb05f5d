"""Sphinx: the pages of this repository as a site, with an API reference (``make docs``)."""

import asl_mmaction  # isort: skip  # it repairs what the stack needs before anything imports that

project = 'asl_mmaction'
author = 'The asl_mmaction authors'
version = release = asl_mmaction.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.apidoc',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
# The source is the repository, so that links between its pages hold on the site too.
root_doc = 'docs/index'
include_patterns = ['*.md', 'docs/**', 'configs/**.md', 'tools/**.md']
myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 4

apidoc_modules = [
    {
        'path': '../asl_mmaction',
        'destination': 'docs/api',
        'separate_modules': True,
        'module_first': True,
    }
]
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
autodoc_default_options = {'ignore-module-all': True}  # each name once, where it is defined
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # an attribute is described in its class alone

html_theme = 'sphinx_book_theme'
html_title = 'asl_mmaction'
