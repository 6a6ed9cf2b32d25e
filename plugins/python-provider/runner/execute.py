"""Code becomes an outcome: compiled, run as `__main__`, its value and its failure told."""

import ast
import json
import linecache
import os
import sys
import types

from . import encode, figures, frames

_FUTURES = 0
for _name in __import__("__future__").all_feature_names:
    _FUTURES |= getattr(__import__("__future__"), _name).compiler_flag


def fresh_main():
    """The namespace of `__main__`, for globals and locals alike."""
    module = types.ModuleType("__main__")
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    return module.__dict__


def compiled(source, filename):
    """The code objects of a program: its statements, and the expression at its end, if there is one."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    if len(source) < 200 and "\n" not in source:
        # Most of what is this short is one expression, and needs no tree to find that out.
        try:
            return [compile(source, filename, "eval", flags, True)]
        except (SyntaxError, ValueError):
            pass
    tree = compile(source, filename, "exec", flags | ast.PyCF_ONLY_AST, True)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    codes = [compile(tree, filename, "exec", flags, True)]
    if last is not None:
        codes.append(compile(last, filename, "eval", flags | codes[0].co_flags & _FUTURES, True))
    return codes


def evaluate(codes, namespace):
    """Runs them and gives back the value of the last. Where they await something at the top, in one event loop."""
    coroutine = 0x80 | 0x100  # what a code object is that awaits; inspect would have to be imported for the name
    if not any(code.co_flags & coroutine for code in codes):
        value = None
        for code in codes:
            value = eval(code, namespace)
        return value
    import asyncio

    async def whole():
        value = None
        for code in codes:
            value = eval(code, namespace)
            if code.co_flags & coroutine:
                value = await value
        return value

    return asyncio.run(whole())


def perform(job, namespace, report):
    """Runs one job: its exit code, and what to tell the supervisor."""
    filename = job["name"]
    figures.begin(report, job.get("images", 0))
    try:
        source = read_source(job)
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        if job["kind"] == "validate":
            report.send(frames.RESULT, json.dumps(verdict(source, filename)).encode())
            return 0, {"kind": "ok"}
        namespace.update(job.get("args") or {})
        before = namespace.get("result", namespace)
        sys.argv = [filename] + (job.get("argv") or [])
        if job.get("file"):
            namespace["__file__"] = os.path.join(os.getcwd(), filename)
        value = evaluate(compiled(source, filename), namespace)
        if value is None and namespace.get("result", namespace) is not before:
            value = namespace["result"]
        done = {"kind": "ok"}
        if value is not None:
            tell_result(value, job, report, done)
    except SystemExit as leaving:
        code, error = exit_code(leaving.code)
        return code, {"kind": "exit", "error": error}
    except BaseException as error:
        return 1, failed(error, filename)
    finally:
        show_figures()
    return 0, done


def read_source(job):
    """The text of the program; a byte order mark is none of it."""
    if not job.get("file"):
        source = job["code"]
    else:
        with open(job["file"], "rb") as file:
            source = file.read().decode("utf-8")
    return source[1:] if source.startswith("\ufeff") else source


def verdict(source, filename):
    """What `validate` answers."""
    try:
        compiled(source, filename)
    except SyntaxError as error:
        return {"valid": False, "message": str(error.msg), "line": error.lineno, "offset": error.offset}
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {"valid": False, "message": str(error) or type(error).__name__, "line": None, "offset": None}
    return {"valid": True}


def tell_result(value, job, report, done):
    try:
        report.send(frames.RESULT, encode.encode(value, job["result_bytes"]))
    except encode.NotJson as error:
        done["result_error"] = str(error)[:1000]
    except (Exception, RecursionError) as error:
        done["result_error"] = "the result cannot be had as JSON: %s" % sentence(error)


def show_figures():
    try:
        figures.deliver()
    except BaseException as error:
        sys.stderr.write("a figure could not be drawn: %s\n" % sentence(error))


def failed(error, filename):
    """Prints the traceback as the interpreter would, without the runner's own frames, and says what to tell."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    try:
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exception(type(error), error, trace)
        else:
            sys.excepthook(type(error), error, trace)
    except BaseException:
        sys.stderr.write("%s (its traceback cannot be shown)\n" % type(error).__name__)
    number = error.errno if isinstance(error, OSError) and isinstance(error.errno, int) else None
    kind = "memory" if isinstance(error, MemoryError) else "exception"
    return {"kind": kind, "error": sentence(error), "errno": number}


def sentence(error):
    """Type and message of an exception, whatever its author made of `__str__`."""
    name = type.__getattribute__(type(error), "__name__")
    try:
        text = str(error)
    except BaseException:
        text = "its message cannot be shown"
    text = name + ": " + text if text else name
    return text if len(text) <= 2000 else text[:2000] + "…"


def exit_code(code):
    """The status that sys.exit(code) gives a process, and the message it prints, as the interpreter does it."""
    if code is None:
        return 0, None
    if isinstance(code, int):
        # What does not fit a C long is -1.
        return (code if -(1 << 63) <= code < (1 << 63) else -1) & 0xFF, None
    try:
        text = str(code)
    except BaseException:
        text = ""
    sys.stderr.write(text + "\n")
    return 1, text[:2000]


def tell(report, done):
    """Says how the code ended, as far as this interpreter saw it."""
    report.send(frames.DONE, json.dumps(dict(done, truncated=figures.over)).encode("utf-8", "replace"))


def leave(report, code, done):
    """Ends this process as the interpreter would: other threads are waited for, exit handlers run, buffers written."""
    import atexit
    import threading

    try:
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException as error:
        sys.stderr.write("%s\n" % sentence(error))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass
    if done is not None:
        try:
            tell(report, done)
        except BaseException:
            pass  # the code closed the pipe: the exit code still tells
    os._exit(code)
