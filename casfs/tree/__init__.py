"""What the account looks like as files and directories."""
