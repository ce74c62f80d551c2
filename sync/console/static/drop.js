// A photo dropped on the box is as if chosen; the box then says its name.
const box = document.getElementById("drop");
const input = box.querySelector("input");
const told = () => { if (input.files.length) box.querySelector("span").textContent = input.files[0].name; };
for (const name of ["dragenter", "dragover"]) {
  box.addEventListener(name, (event) => { event.preventDefault(); box.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) box.addEventListener(name, () => box.classList.remove("over"));
box.addEventListener("drop", (event) => { event.preventDefault(); input.files = event.dataTransfer.files; told(); });
input.addEventListener("change", told);
