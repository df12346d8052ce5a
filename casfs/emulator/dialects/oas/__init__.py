"""Aliyun OAS."""
