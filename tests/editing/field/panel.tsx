import { useEffect, useState } from "react";
import type { Task } from "./types";

interface PanelProps {
  title: string;
  tasks: Task[];
  onDone?: (id: string) => void;
}

/* Tasks that are done stay for a while, so that one can take it back. */
const LINGER_MS = 5000;

export function Panel({ title, tasks, onDone }: PanelProps) {
  const [hidden, setHidden] = useState<Set<string>>(new Set());
  const [query, setQuery] = useState("");

  useEffect(() => {
    const timers = tasks
      .filter((task) => task.done && !hidden.has(task.id))
      .map((task) =>
        setTimeout(() => {
          setHidden((before) => new Set([...before, task.id]));
        }, LINGER_MS),
      );
    return () => timers.forEach(clearTimeout);
  }, [tasks, hidden]);

  const shown = tasks.filter(
    (task) => !hidden.has(task.id) && task.text.includes(query),
  );

  if (shown.length === 0 && query === "") {
    return <p className="empty">Nothing to do &mdash; enjoy it!</p>;
  }

  return (
    <section className="panel">
      <h2>{title}</h2>
      <input
        type="search"
        value={query}
        placeholder="Find &amp; filter"
        onChange={(event) => setQuery(event.target.value)}
      />
      <ul>
        {shown.map((task) => (
          <li key={task.id} className={task.done ? "done" : "open"}>
            <label>
              <input
                type="checkbox"
                checked={task.done}
                onChange={() => onDone?.(task.id)}
              />
              {task.text}
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function count(tasks: Task[]): number {
  let open = 0;
  for (const task of tasks) {
    if (!task.done) {
      open += 1;
    }
  }
  return open;
}
