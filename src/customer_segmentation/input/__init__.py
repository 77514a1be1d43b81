"""Raw data before a build: the contract, the files and what is wrong with them."""
