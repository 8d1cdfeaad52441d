"""Putting the worker onto AWS Lambda: one code package, one CloudFormation stack.

`deployment` says what is wanted, `package` makes the code, `template` and `policy` the stack's description;
`stack` talks to CloudFormation, `deploying`, `status` and `destroying` are what the commands do.
"""
