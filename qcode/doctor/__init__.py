"""What an endpoint can do for qcode, tried out: the checks of `qcode doctor`.

Every check says what it saw this time; a model does not answer twice alike.
Nothing here prints. Texts that the model is asked with stand in `prompts/doctor/`.
"""
