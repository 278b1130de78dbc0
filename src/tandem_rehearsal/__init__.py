"""The code path of the cloud against stand-ins on this machine, which speak Google's protocols to Google's clients."""
