"""Attempts on AWS Lambda."""

from driver.executors.lambda_.executor import LambdaExecutor

__all__ = ["LambdaExecutor"]
