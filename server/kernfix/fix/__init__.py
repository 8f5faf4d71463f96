"""From a crash and its code to checked candidates."""
