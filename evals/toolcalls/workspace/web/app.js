import { escapeHtml } from "./lib/escape.js";

export async function loadBooks(url = "/data/books.json") {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`no books: ${response.status}`);
  return response.json();
}

export function renderBook(book) {
  return `<li><b>${escapeHtml(book.title)}</b> by ${escapeHtml(book.author)}</li>`;
}
