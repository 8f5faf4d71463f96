"""A kernel checkout: functions, symbols, locating, git facts."""
