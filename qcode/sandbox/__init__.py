"""What the operating system lets the tools' processes touch, approved or not."""
