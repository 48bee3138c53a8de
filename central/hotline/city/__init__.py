"""The city's 12345 platform: its work orders become cases, and what becomes of these is told to it. See docs/hotline.md."""
