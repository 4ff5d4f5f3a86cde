"""edit_json.py FROM TO STATEMENT: a copy of a JSON file after a statement about its content `d`."""
import json
import sys

with open(sys.argv[1]) as file:
    d = json.load(file)
exec(sys.argv[3])
with open(sys.argv[2], "w") as file:
    json.dump(d, file)
