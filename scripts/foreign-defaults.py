# For foreign-defaults.mjs: reads cells such as "torch.optim.Adam(lr=0.001)" from standard input as JSON, and prints what each default is in the
# packages of this Python; cells of packages that are not here are left out.
import importlib
import inspect
import json
import re
import sys


def thing(path):
    """The class or function of a path: the longest part that is a module, then attributes."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    return None


def plain(value):
    """As JSON has it; what has no form there, by its name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


answers = {}
for cell in json.load(sys.stdin):
    path, option = re.match(r"([\w.]+)\((\w+)", cell).groups()
    try:
        found = thing(path)
        if found is not None:
            parameter = inspect.signature(found).parameters[option]
            required = parameter.default is inspect.Parameter.empty
            answers[cell] = {"required": True} if required else {"value": plain(parameter.default)}
    except (AttributeError, KeyError, ValueError) as error:
        answers[cell] = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(answers))
