"""What a model is worth, and what it leans on: nothing here fits or changes one."""
