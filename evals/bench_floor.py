"""The least that an agent in Python can cost, without safety or comfort: the floor."""

import http.client
import json
import os
import subprocess
import sys

host, _, path = os.environ["BENCH_URL"].removeprefix("http://").partition("/")
command = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
shell = {"name": "bash", "description": "Run a command.", "parameters": command}
tools = [{"type": "function", "function": shell}]
messages = [{"role": "user", "content": sys.argv[1]}]
connection = http.client.HTTPConnection(host)
while True:
    body = json.dumps({"model": "floor", "tools": tools, "messages": messages})
    connection.request("POST", f"/{path}/chat/completions", body)
    answer = json.loads(connection.getresponse().read())["choices"][0]["message"]
    messages.append(answer)
    for call in answer.get("tool_calls") or ():
        line = json.loads(call["function"]["arguments"])["command"]
        output = subprocess.run(["bash", "-c", line], capture_output=True, text=True).stdout
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})
    if not answer.get("tool_calls"):
        print(answer["content"])
        break
