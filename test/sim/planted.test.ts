import { plantedTests } from './planted-tests.ts'

plantedTests(0, 2)
