/**
 * The fields that an expression reads, and from where at the moment: the columns of a batch, or one
 * record. Exchanging the columns below compiled closures lets the same closures serve both.
 */
import type { Batch } from '../batch/batch.ts'
import { type Column, Fields, RecordColumn } from '../batch/columns.ts'
import type { JsonObject } from '../record/json.ts'
import { formatPath, type Path } from '../record/path.ts'

/** A field that an expression reads. Its column is looked at anew for each value. */
export interface Cell {
  column: Column
}

interface Field {
  readonly path: Path
  readonly cell: Cell
}

const NOTHING = new RecordColumn({ record: () => ({}) }, () => undefined)

export class Reading {
  readonly #byName = new Map<string, Field>()
  #fields: Fields | undefined
  /** What stands in for a batch while single records are looked at. */
  readonly #single = { current: {} as JsonObject, record: () => this.#single.current }
  #singleColumns: readonly Column[] | undefined
  #columns: readonly Column[] | undefined

  /** Every field asked for, without repetition. */
  get paths(): readonly Path[] {
    return this.#list().map(({ path }) => path)
  }

  /** The cell of a path; an empty path is the whole record. */
  cell(path: Path): Cell {
    const name = formatPath(path)
    let field = this.#byName.get(name)
    if (!field) {
      field = { path, cell: { column: NOTHING } }
      this.#byName.set(name, field)
      this.#fields = undefined
    }
    return field.cell
  }

  /** From now on the cells give the values of a batch, by row. */
  of(batch: Batch): void {
    this.#exchange(batch.columns(this.#prepared()))
  }

  /** From now on the cells give the values of a record, whatever the row. */
  ofRecord(record: JsonObject): void {
    this.#single.current = record
    this.#singleColumns ??= this.#prepared().readers.map(
      read => new RecordColumn(this.#single, read),
    )
    if (this.#columns !== this.#singleColumns) this.#exchange(this.#singleColumns)
  }

  #prepared(): Fields {
    this.#fields ??= new Fields(this.paths)
    return this.#fields
  }

  #list(): Field[] {
    return [...this.#byName.values()]
  }

  #exchange(columns: readonly Column[]): void {
    this.#columns = columns
    let i = 0
    for (const { cell } of this.#byName.values()) cell.column = columns[i++] as Column
  }
}
