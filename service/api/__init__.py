"""The HTTP APIs, one folder for each dialect: a request becomes a question to the data plane."""
