"""`lbkit:LoadBalancer` for programs in other languages: the plugin that `pulumi-resource-lbkit` and `python -m lbkit` start.

Schema and reading of arguments are derived from the spec's classes and the targets' (`HOMES`): there is no second list.
"""
